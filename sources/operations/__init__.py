"""Use cases of the operational side. Each runs in one transaction of one caller.

A function here takes the open transaction (`Tx`) first, checks the rights of the caller, writes, and returns a result
as the caller may see it. It raises Refusal where it does not do what was requested. `transaction.run` opens, retries
and closes the transaction.
"""
