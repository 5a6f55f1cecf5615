"""Heat pumps with a Luxtronik 2 controller.

source    the door
protocol  the controller's tables over TCP
meaning   what the numbers of the tables mean
discover  controllers found by a broadcast, or recognised at a line
"""
