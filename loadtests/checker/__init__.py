"""Offline: what calls acknowledged, against what is on topics and in databases afterwards."""
