"""Outputs: each delivers readings to one kind of far side. None knows another."""
