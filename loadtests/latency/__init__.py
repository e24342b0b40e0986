"""How long a detection or an acute reading takes to reach the room it calls, hop by hop."""
