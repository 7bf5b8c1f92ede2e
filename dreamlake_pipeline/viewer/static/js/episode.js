// The page of an episode.
