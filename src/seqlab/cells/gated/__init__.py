"""The recurrences of PyTorch's LSTM and GRU and their gradients by hand, with the loops over time in C.

Both are products and what happens in between, unit by unit::

    LSTM    i, f, o = σ(W x_t + U h_{t−1} + b)    g = tanh(W x_t + U h_{t−1} + b)
            c_t = f c_{t−1} + i g                 h_t = o tanh(c_t)

    GRU     r, z = σ(W x_t + U h_{t−1} + b)       q = U h_{t−1} + b    n = tanh(W x_t + b + r q)
            h_t = (1 − z) n + z h_{t−1}

where each unit has its own rows of W, U and b. On the way back, with ``dq`` for ∂E/∂q, the gradient by a unit meaning
that before it is squashed::

    LSTM    dc_t = (from c_{t+1}) + dh_t o (1 − tanh² c_t)    do = dh_t tanh(c_t) o (1 − o)
            di = dc_t g i (1 − i)    df = dc_t c_{t−1} f (1 − f)    dg = dc_t i (1 − g²)
            dc_{t−1} = dc_t f        dh_{t−1} = (from above) + Uᵀ d(i, f, g, o)

    GRU     dn = dh_t (1 − z) (1 − n²)    dz = dh_t (h_{t−1} − n) z (1 − z)
            dq = dn r                     dr = dn q r (1 − r)
            dh_{t−1} = (from above) + dh_t z + Uᵀ d(r, z, q)

A sequence is time-major here, and a state is a row.
"""
