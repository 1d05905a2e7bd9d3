"""A page to try trained networks on: pictures, tweets, activation functions and the studies' results.

`python -m demo` starts it. `app` is its layout, `views` what its buttons do, `models` which networks it has.
"""
