/* The hot book's algorithm as a C programmer would write it: the reference of the book benchmark.

   The rules of the events, the tables, the searches and the growth are those of engine/book (its page in
   engine/README.md explains them), with the same records of the same sizes: pool of orders in linked queues,
   pool of levels, a ladder of rungs per side with the best last, an open-addressed id map without tombstones.
   Slot 0 of orders and levels means "none". c_book.py compiles and calls it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef AHEAD
#define AHEAD 8 /* events by which an id's entry is fetched early, its order half as far; 0: not at all */
#endif
#ifndef NEAR
#define NEAR 1024 /* entries of a side's memory of recent levels; 0: every level is searched */
#endif

enum { ADD = 1, CANCEL = 2, MODIFY = 3, TRADE = 4 };
enum {
    ADDED, CANCELLED, PARTIALLY_CANCELLED, MODIFIED, TRADED, UNKNOWN_ORDER,
    REJECTED_DUPLICATE, REJECTED_SIDE, REJECTED_PRICE, REJECTED_QUANTITY, IGNORED, COUNTS
};
enum { FIRST_ORDERS = 1024, FIRST_RUNGS = 64, IDS_PER_ORDER = 4 };

typedef struct { uint64_t ts; int64_t price, qty; uint64_t order_id; uint32_t instrument_id; uint8_t type, side, spare[2]; } Event;
typedef struct { int64_t bid_price, bid_qty, ask_price, ask_qty; } Top;
typedef struct { uint64_t order_id; int64_t slot; } Entry;
typedef struct { uint64_t order_id; int64_t qty; int32_t level, previous, next, spare; } Order;
typedef struct { int64_t price, total; int32_t count, head, tail, side; } Level;
typedef struct { int64_t rank, level; } Rung;
typedef struct {
    Rung *rungs;
    int64_t count, best;
#if NEAR
    int32_t near[NEAR];
#endif
} Side;

typedef struct {
    Entry *ids;
    int64_t ids_mask;
    Order *orders;
    int64_t order_capacity;
    Level *levels;
    int64_t rung_capacity;
    Side sides[2];
    int64_t counts[COUNTS];
    int64_t live_orders, used_orders, free_order, used_levels, free_level;
} Book;

/* The id map */

static inline int64_t home(const Book *book, uint64_t order_id)
{
    uint64_t fraction = (order_id >> 2) * 0x9E3779B97F4A7C15u, lines = (uint64_t)(book->ids_mask + 1) >> 2;
    uint64_t line = (uint64_t)(((unsigned __int128)fraction * lines) >> 64);
    return (int64_t)((line << 2) | (order_id & 3));
}

static inline int64_t find_entry(const Book *book, uint64_t order_id)
{
    int64_t at = home(book, order_id);
    while (book->ids[at].slot != 0 && book->ids[at].order_id != order_id)
        at = (at + 1) & book->ids_mask;
    return at;
}

static inline void forget_entry(Book *book, int64_t at)
{
    int64_t mask = book->ids_mask, hole = at;
    for (int64_t probe = (at + 1) & mask; book->ids[probe].slot != 0; probe = (probe + 1) & mask) {
        int64_t distance = (probe - home(book, book->ids[probe].order_id)) & mask;
        if (distance >= ((probe - hole) & mask)) {
            book->ids[hole] = book->ids[probe];
            hole = probe;
        }
    }
    book->ids[hole].slot = 0;
}

/* Levels */

static inline int64_t rank_of(int side, int64_t price) { return side == 0 ? price : -price; }

static inline int64_t find_rung(const Side *side, int64_t rank)
{
    const Rung *rungs = side->rungs;
    int64_t high = side->count, probe = high - 1, step = 1;
    while (probe >= 0 && rungs[probe].rank >= rank) {
        high = probe;
        probe -= step;
        step *= 2;
    }
    int64_t low = probe + 1 > 0 ? probe + 1 : 0;
    while (low < high) {
        int64_t middle = (low + high) >> 1;
        if (rungs[middle].rank < rank)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t search_level(Book *book, int side, int64_t price)
{
    Side *its = &book->sides[side];
    int64_t rung = find_rung(its, rank_of(side, price));
    if (rung == its->count || its->rungs[rung].rank != rank_of(side, price))
        return 0;
#if NEAR
    its->near[price & (NEAR - 1)] = (int32_t)its->rungs[rung].level;
#endif
    return its->rungs[rung].level;
}

static inline int64_t find_level(Book *book, int side, int64_t price)
{
#if NEAR
    int64_t slot = book->sides[side].near[price & (NEAR - 1)];
    const Level *level = &book->levels[slot];
    if (level->price == price && level->count != 0 && level->side == side)
        return slot;
#endif
    return search_level(book, side, price);
}

static int64_t open_level(Book *book, int side, int64_t price)
{
    int64_t slot = book->free_level;
    if (slot != 0)
        book->free_level = book->levels[slot].head;
    else
        slot = ++book->used_levels;
    book->levels[slot] = (Level){.price = price, .side = side};
    Side *its = &book->sides[side];
    int64_t rung = find_rung(its, rank_of(side, price));
    memmove(&its->rungs[rung + 1], &its->rungs[rung], (size_t)(its->count - rung) * sizeof(Rung));
    its->rungs[rung] = (Rung){rank_of(side, price), slot};
    its->count++;
    its->best = its->rungs[its->count - 1].level;
#if NEAR
    its->near[price & (NEAR - 1)] = (int32_t)slot;
#endif
    return slot;
}

static void close_level(Book *book, int64_t slot)
{
    Level *level = &book->levels[slot];
    Side *its = &book->sides[level->side];
    int64_t rung = find_rung(its, rank_of(level->side, level->price));
    its->count--;
    memmove(&its->rungs[rung], &its->rungs[rung + 1], (size_t)(its->count - rung) * sizeof(Rung));
    its->best = its->count > 0 ? its->rungs[its->count - 1].level : 0;
    level->head = (int32_t)book->free_level;
    book->free_level = slot;
}

/* Orders */

static inline void link_order(Book *book, int64_t slot, int64_t level_slot)
{
    Level *level = &book->levels[level_slot];
    Order *order = &book->orders[slot];
    if (level->tail != 0)
        book->orders[level->tail].next = (int32_t)slot;
    else
        level->head = (int32_t)slot;
    order->level = (int32_t)level_slot;
    order->previous = level->tail;
    order->next = 0;
    level->tail = (int32_t)slot;
    level->count++;
    level->total += order->qty;
}

static inline void unlink_order(Book *book, int64_t slot)
{
    const Order *order = &book->orders[slot];
    Level *level = &book->levels[order->level];
    if (order->previous != 0)
        book->orders[order->previous].next = order->next;
    else
        level->head = order->next;
    if (order->next != 0)
        book->orders[order->next].previous = order->previous;
    else
        level->tail = order->previous;
    level->count--;
    level->total -= order->qty;
    if (level->count == 0)
        close_level(book, order->level);
}

static inline int add_order(Book *book, int64_t at, const Event *event)
{
    int64_t level = find_level(book, event->side, event->price);
    if (level != 0 && event->qty > INT64_MAX - book->levels[level].total)
        return REJECTED_QUANTITY;
    if (level == 0)
        level = open_level(book, event->side, event->price);
    int64_t slot = book->free_order;
    if (slot != 0)
        book->free_order = book->orders[slot].next;
    else
        slot = ++book->used_orders;
    book->live_orders++;
    book->ids[at] = (Entry){event->order_id, slot};
    book->orders[slot].order_id = event->order_id;
    book->orders[slot].qty = event->qty;
    link_order(book, slot, level);
    return ADDED;
}

static inline void remove_order(Book *book, int64_t at, int64_t slot)
{
    unlink_order(book, slot);
    book->orders[slot].next = (int32_t)book->free_order;
    book->free_order = slot;
    book->live_orders--;
    forget_entry(book, at);
}

static inline void shrink_order(Book *book, int64_t slot, int64_t qty)
{
    book->orders[slot].qty -= qty;
    book->levels[book->orders[slot].level].total -= qty;
}

/* Event rules: each returns the place in `counts` where its event counts. */

static inline int wrong(const Event *event)
{
    return event->side > 1 ? REJECTED_SIDE
         : event->price < 0 ? REJECTED_PRICE
         : event->qty <= 0 ? REJECTED_QUANTITY : 0;
}

static inline int apply_add(Book *book, const Event *event)
{
    int reason = wrong(event);
    if (reason)
        return reason;
    int64_t at = find_entry(book, event->order_id);
    return book->ids[at].slot != 0 ? REJECTED_DUPLICATE : add_order(book, at, event);
}

static inline int apply_reduction(Book *book, const Event *event)
{
    int64_t at = find_entry(book, event->order_id), slot = book->ids[at].slot;
    if (slot == 0)
        return UNKNOWN_ORDER;
    if (event->type == TRADE && event->qty == 0)
        return REJECTED_QUANTITY;
    if (event->qty > 0 && event->qty < book->orders[slot].qty) {
        shrink_order(book, slot, event->qty);
        return event->type == TRADE ? TRADED : PARTIALLY_CANCELLED;
    }
    remove_order(book, at, slot);
    return event->type == TRADE ? TRADED : CANCELLED;
}

static int apply_modify(Book *book, const Event *event)
{
    int reason = wrong(event);
    if (reason)
        return reason;
    int64_t at = find_entry(book, event->order_id), slot = book->ids[at].slot;
    if (slot == 0)
        return add_order(book, at, event);
    Order *order = &book->orders[slot];
    const Level *level = &book->levels[order->level];
    int stays = level->side == event->side && level->price == event->price;
    if (stays && event->qty <= order->qty) {
        shrink_order(book, slot, order->qty - event->qty);
        return MODIFIED;
    }
    int64_t to = find_level(book, event->side, event->price);
    if (event->qty > INT64_MAX - (book->levels[to].total - (stays ? order->qty : 0)))
        return REJECTED_QUANTITY;
    unlink_order(book, slot);
    order->qty = event->qty;
    if (to == 0 || (stays && level->count == 0))
        to = open_level(book, event->side, event->price);
    link_order(book, slot, to);
    return MODIFIED;
}

static inline int apply_event(Book *book, const Event *event)
{
    switch (event->type) {
    case ADD: return apply_add(book, event);
    case CANCEL:
    case TRADE: return apply_reduction(book, event);
    case MODIFY: return apply_modify(book, event);
    default: return IGNORED;
    }
}

/* Growth: tables double, as those of the hot book do */

static void *zeroed(int64_t count, size_t size)
{
    void *memory = calloc((size_t)count, size);
    if (memory == NULL)
        abort();
    return memory;
}

static void *lengthened(void *old, int64_t count, int64_t new_count, size_t size)
{
    void *memory = zeroed(new_count, size);
    memcpy(memory, old, (size_t)count * size);
    free(old);
    return memory;
}

static int64_t room(const Book *book)
{
    int64_t levels = book->sides[0].count > book->sides[1].count ? book->sides[0].count : book->sides[1].count;
    int64_t for_orders = book->order_capacity - 1 - book->live_orders, for_levels = book->rung_capacity - levels;
    return for_orders < for_levels ? for_orders : for_levels;
}

static void grow_orders(Book *book)
{
    int64_t capacity = 2 * book->order_capacity, old_entries = book->ids_mask + 1;
    Entry *old = book->ids;
    book->ids = zeroed(IDS_PER_ORDER * capacity, sizeof(Entry));
    book->ids_mask = IDS_PER_ORDER * capacity - 1;
    for (int64_t i = 0; i < old_entries; i++)
        if (old[i].slot != 0)
            book->ids[find_entry(book, old[i].order_id)] = old[i];
    free(old);
    book->orders = lengthened(book->orders, book->order_capacity, capacity, sizeof(Order));
    book->order_capacity = capacity;
}

static void grow_levels(Book *book)
{
    int64_t rungs = book->rung_capacity;
    for (int side = 0; side < 2; side++)
        book->sides[side].rungs = lengthened(book->sides[side].rungs, rungs, 2 * rungs, sizeof(Rung));
    book->levels = lengthened(book->levels, 2 * rungs + 1, 4 * rungs + 1, sizeof(Level));
    book->rung_capacity = 2 * rungs;
}

static void make_room(Book *book)
{
    if (book->live_orders + 1 >= book->order_capacity)
        grow_orders(book);
    if (book->sides[0].count >= book->rung_capacity || book->sides[1].count >= book->rung_capacity)
        grow_levels(book);
}

/* What Python calls */

Book *book_new(void)
{
    Book *book = zeroed(1, sizeof(Book));
    book->order_capacity = FIRST_ORDERS;
    book->orders = zeroed(FIRST_ORDERS, sizeof(Order));
    book->ids_mask = IDS_PER_ORDER * FIRST_ORDERS - 1;
    book->ids = zeroed(IDS_PER_ORDER * FIRST_ORDERS, sizeof(Entry));
    book->rung_capacity = FIRST_RUNGS;
    book->levels = zeroed(2 * FIRST_RUNGS + 1, sizeof(Level));
    for (int side = 0; side < 2; side++)
        book->sides[side].rungs = zeroed(FIRST_RUNGS, sizeof(Rung));
    return book;
}

void book_free(Book *book)
{
    free(book->ids);
    free(book->orders);
    free(book->levels);
    free(book->sides[0].rungs);
    free(book->sides[1].rungs);
    free(book);
}

/* Applies `count` events; tops[i], unless `tops` is NULL, gets the best prices and totals after event i. */
void book_apply(Book *book, const Event *events, int64_t count, Top *tops)
{
    for (int64_t i = 0; i < count;) {
        int64_t free_places = room(book);
        if (free_places == 0) {
            make_room(book);
            continue;
        }
        int64_t until = i + free_places < count ? i + free_places : count;
        for (; i < until; i++) {
#if AHEAD
            if (i + AHEAD < count) {
                __builtin_prefetch(&book->ids[home(book, events[i + AHEAD].order_id)]);
                int64_t at = home(book, events[i + AHEAD / 2].order_id);
                __builtin_prefetch(&book->orders[book->ids[at].slot]);
            }
#endif
            book->counts[apply_event(book, &events[i])]++;
            if (tops != NULL) {
                const Level *bid = &book->levels[book->sides[0].best], *ask = &book->levels[book->sides[1].best];
                tops[i] = (Top){bid->price, bid->total, ask->price, ask->total};
            }
        }
    }
}

/* The levels of a side into `rows` of (price, total), best first. Returns how many; NULL only counts. */
int64_t book_levels(const Book *book, int side, int64_t (*rows)[2])
{
    const Side *its = &book->sides[side];
    for (int64_t i = 0; rows != NULL && i < its->count; i++) {
        const Level *level = &book->levels[its->rungs[its->count - 1 - i].level];
        rows[i][0] = level->price;
        rows[i][1] = level->total;
    }
    return its->count;
}
