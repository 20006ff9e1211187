"""How numbers are drawn: from plain values, with Plotly, to figures that open offline."""
