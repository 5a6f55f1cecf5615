"""A bank of batteries: how full it is, how long it lasts, how it ages.

bank      the door
options   what a bank is, and the defaults of each chemistry
capacity  the capacity at a current, from a table or an exponent
charge    the count of charge, and what is known of it
full      when the bank is full
health    the capacity that a long discharge shows
"""
