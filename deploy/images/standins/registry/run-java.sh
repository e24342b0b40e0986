#!/bin/sh
cd /deployments && exec java $JAVA_OPTIONS $JAVA_OPTS_APPEND -jar /deployments/*-runner.jar
