"""What an audit gives to people and to other tools: files, a page, charts, a table in the terminal.

Nothing is computed here that the audit does not hold already; numbers are chosen, named and laid out.
"""
