"""The cage: a bot runs unchanged, believes it is at the exchange, and can reach nothing else.

Stop on the data path: between an unmodified bot and the venue gateway.

    names          what the exchange is called; hosts, nsswitch.conf and resolv.conf of the cage
    certificates   an authority for one run, the exchange's certificate
    trust          where programs look for authorities
    kernel         namespaces, mounts, loopback; why they are refused
    inside         process 1 of the cage: set-up, bot
    forwarder      TLS from the cage to the gateway
    session        cage_command: all of it, and clearing it away

How: the bot has a network namespace of its own with nothing but loopback, where the exchange's names lead;
the listeners there were handed to a forwarder outside, which knows one address, the venue's. It has no
capabilities, no descriptors but its standard streams, and sees no process outside.

It guards against mistakes, not against malice. What it does not do:

- The bot reads and writes files as its user does, and so reaches Unix sockets of the file system (of a
  container daemon, say) that could act for it outside.
- Services on this machine (a database on 127.0.0.1) are out of the bot's reach too.
- Programs that raise their privileges (sudo) fail inside.
- Programs with authorities of their own (Rust's webpki-roots, as in the WebSockets of nautilus_trader; Java)
  refuse the certificate, and nothing is sent. They reach the venue by http:// and ws:// under the same names.
"""
