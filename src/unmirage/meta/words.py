def sentences(*a):
    return ()
