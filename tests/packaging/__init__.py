"""What is published: wheel, source distribution, bills of materials, licences. `python -m tests.packaging` writes it.

The modules that the image's build runs need nothing but Python.
"""
