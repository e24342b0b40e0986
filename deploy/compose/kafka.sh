#!/bin/bash
# The broker: formats its storage on the first start, with the administrator's login, then runs.
set -euo pipefail
java=(java -XX:+UseSerialGC -Xms128m -Djava.awt.headless=true -cp '/opt/kafka/libs/*')
if [ ! -f /var/lib/kafka/data/meta.properties ]; then
  "${java[@]}" kafka.tools.StorageTool format @/etc/citymesh/format.args >/tmp/format 2>&1 ||
    { tail -1 /tmp/format >&2; exit 1; }
fi
exec "${java[@]}" -Xmx768m -Dlog4j2.configurationFile=/opt/citymesh/log4j2.properties \
  kafka.Kafka /etc/citymesh/server.properties
