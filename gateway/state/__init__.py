"""What outlives a session, behind small interfaces: the sizes of the last complete searches."""
