"""The cage of worker processes: layers that each hold by themselves, so that one that fails or is missing is not all.

`enter.py` puts a process into it, `layer.py` names the layers; each other module is one of them, or what one needs.
"""
