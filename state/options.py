"""RocksDB options, for rows of about 1 KB that are read and rewritten at random."""

from __future__ import annotations

from pathlib import Path

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options, WriteBufferManager

WRITE_BUFFER_BYTES = 16 << 20  # 16 000 rows per flush; what a killed process replays on opening


class StoreMemory:
    """The memory that all stores of a process share: blocks read and rows not yet flushed, within `cache_bytes`."""

    def __init__(self, cache_bytes: int) -> None:
        self.cache = Cache(cache_bytes)
        self.write_buffers = WriteBufferManager.new_write_buffer_manager_with_cache(cache_bytes // 2, False, self.cache)


def store_options(memory: StoreMemory) -> Options:
    """Options to create or open a store for reading and writing."""
    options = _common_options(memory.cache)
    options.create_if_missing(True)
    options.set_write_buffer_manager(memory.write_buffers)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_background_jobs(2)
    options.set_bytes_per_sync(1 << 20)  # spreads write-back, so that a flush does not stall the disk
    # A torn tail is what SIGKILL leaves: everything before it is kept, rows and position alike.
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    return options


def reader_options(cache_bytes: int, log_dir: Path) -> Options:
    """Options to read a store beside its writer; RocksDB's own log goes to `log_dir`, not into the store."""
    options = _common_options(Cache(cache_bytes))
    options.set_db_log_dir(str(log_dir))
    return options


def _common_options(cache: Cache) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_block_size(4 << 10)  # a read of one row decompresses four
    table.set_bloom_filter(10, False)  # new users are common: 1 % of their reads touch the disk
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_open_files(-1)  # opens every file at once: a missing or cut one is found on opening
    options.set_keep_log_file_num(1)
    options.set_max_log_file_size(1 << 20)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options
