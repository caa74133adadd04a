"""Ways out of qdbench: results in the formats of other tools."""
