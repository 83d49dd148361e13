"""The pages of the dashboard: the list, the form for a new session, a session, its buttons.

Every page is complete without scripts as far as reading and the forms go; static/js then keeps it
up to date. A page carries the event cursor that was read before its rows, so nothing that happens
between its rendering and its websocket is missed.
"""
