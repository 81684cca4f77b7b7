"""Money of bookings: prices, fees, invoices and payments."""
