#!/bin/sh
# What the Go client's tests call as `zkServer.sh start-foreground zoo.cfg`: the server under test.
exec "$SUITE_SERVER" "$2"
