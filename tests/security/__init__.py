"""The attack list: a file for each theme, each attempt with the refusal it must meet.

SECURITY.md in the root directory has the whole list as a table, with the attacks whose tests stand
elsewhere, and what is out of scope. tests/security/test_list.py holds the table to the tests.
"""
