"""The accounts of a trading competition: marked as the tape grows, summed up by period.

competitions/trading/ holds the book itself; here its orders, prices and rows are read
and written.
"""
