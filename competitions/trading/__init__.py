"""The book of a trading competition: pure Python, no Django, exact decimals.

orders of the models + closing prices of the tape -> positions, costs and net profit
"""
