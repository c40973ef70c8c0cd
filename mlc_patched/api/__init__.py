"""The Python API: each command as a function that returns a result or raises an MlcError.

Every function takes an optional `context`: the caller, the environment and the engine. Without
one, those of the process are used. None in a result is what was not given, or is not known.
"""
