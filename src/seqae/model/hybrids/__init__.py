"""Closed forms beside recurrent layers: a family of its own, of which the default is one."""
