"""How exchange messages travel: MoldUDP64 and SoupBinTCP, live and in captures, in and out.

Stop on the data path: between the network (or a capture file) and the decoders of engine/feeds/itch, which
see one thing only: packets of messages in sequence, each exactly once. A message is opaque bytes here.

    moldudp64     datagram -> packet of messages           soupbintcp   byte stream -> logical packets
    sequencer     packets in any order -> in sequence      soup_client, soup_server   its state machines
    pcap, frames  capture file -> UDP datagrams            capture_feed   capture file -> in sequence
    mold_receiver, soup_receiver   sockets -> inbox        live   the same in a thread: where to begin
    retained      the numbered messages of a session       mold_stream, publisher, soup_listen   the way out
    addresses     mold:// and soup:// URLs
"""
