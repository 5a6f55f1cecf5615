"""Outdoor temperature and weather.

source      the door
open_meteo  what the weather service Open-Meteo says
"""
