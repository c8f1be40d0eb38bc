"""How costs are counted: the traced network, the layers' shapes, the rules of the papers, and the comparison with thop."""
