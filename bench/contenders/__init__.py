"""The same decisions over the same journal by several stream processors, each in a process of its own: one table.

`python -m bench.contenders` (`make bench-streams`). Each module but `lanes`, `running` and `__main__` is one contender.
"""
