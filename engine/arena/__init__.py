"""Typed records in raw memory, and kernels over them that run interpreted or compiled.

layout.py     records, tables, fields      functions.py  what a kernel is
leaves.py     single instructions          memory.py     arenas: who allocates
wordmap.py    hash map in a table          random.py     random streams
compiled.py   kernels to machine code      machine.py    which path is live
"""
