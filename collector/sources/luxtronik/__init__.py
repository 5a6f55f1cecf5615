"""Heat pumps with a Luxtronik 2 controller.

source    the door
protocol  the controller's tables over TCP, and controllers found by a broadcast
meaning   what the numbers of the tables mean
"""
