"""Parking in Samjeong-dong (삼정동), Bucheon: residents who lend bays, drivers, bay sensors."""
