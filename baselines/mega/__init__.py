"""MAP-Elites via a Gradient Arborescence (Fontaine & Nikolaidis 2021)."""
