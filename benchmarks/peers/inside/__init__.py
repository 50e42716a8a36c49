"""What runs in the process of another program, with its interpreter.

Nothing here may import the rest of this repository, whose libraries are not there.
"""
