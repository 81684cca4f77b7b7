"""Use cases of the operational side: each is one transaction of one caller, or nothing.

A function here takes the open transaction (`Tx`) first, checks what the caller may do, writes, and returns what the
caller sees. It raises Refusal where it does not do what was asked. `transaction.run` opens, retries and closes.
"""
