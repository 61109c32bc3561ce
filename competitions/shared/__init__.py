"""The rules that the site shares with the participants' packages; pure, numpy alone.

`coordinator init` lays these files into the public package as they are, so a backtest
runs the very code that scores. They import nothing but each other, and relatively.
"""
