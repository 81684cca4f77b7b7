"""Routes of the pages, a module a page or a group of pages."""
