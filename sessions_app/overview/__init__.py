"""The overview: how everything does now and did in the last day, and what needs somebody.

``figures`` reads the present, ``lately`` the last day, ``attention`` says what needs somebody, and
``readings`` puts them together, once for all who ask; ``words`` is what the page makes of them.
"""
