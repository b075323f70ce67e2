"""Rules that one object must keep by itself, one file per kind. Rules between objects live in
`snapshot.references`, where hosts and endpoints are known."""
