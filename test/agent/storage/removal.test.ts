import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  describeRemoved,
  hasRoom,
  isFull,
  removalOrder,
  wouldHelp,
  type DataFolderContent,
  type FreeSpace,
} from '../../../agent/storage/removal.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function space(sizeBytes: number, freeBytes: number, files?: number, freeFiles?: number): FreeSpace {
  return { sizeBytes, freeBytes, files, freeFiles };
}

const NOTHING: DataFolderContent = {
  temporary: [],
  setAside: [],
  blocks: [],
  walFolder: undefined,
  wal: [],
  headChunks: [],
  wbl: [],
};

describe('a volume', () => {
  const TABLE: readonly (readonly [string, FreeSpace, boolean, boolean])[] = [
    ['of 64 MiB with nothing free', space(64 * MIB, 0), true, false],
    ['of 64 MiB with 3 MiB free', space(64 * MIB, 3 * MIB), true, false],
    ['of 64 MiB as full as it is in its normal course', space(64 * MIB, 12.8 * MIB), false, true],
    ['of 64 MiB with 5 MiB free', space(64 * MIB, 5 * MIB), false, false],
    ['of 8 MiB with 3 MiB free', space(8 * MIB, 3 * MIB), false, true],
    ['of 100 GiB with 100 MiB free', space(100 * GIB, 100 * MIB), true, false],
    ['of 100 GiB with 1 GiB free', space(100 * GIB, GIB), false, true],
    ['with room for 10 of 10,000 files', space(64 * MIB, 60 * MIB, 10_000, 10), true, false],
    ['with room for 100 of 10,000 files', space(64 * MIB, 60 * MIB, 10_000, 100), false, false],
    ['with room for 1,000 of 10,000 files', space(64 * MIB, 60 * MIB, 10_000, 1_000), false, true],
  ];
  for (const [title, seen, full, room] of TABLE)
    it(`${title} is ${full ? 'full' : room ? 'free' : 'neither full nor free'}`, () => {
      assert.deepEqual([isFull(seen), hasRoom(seen)], [full, room]);
    });

  it('is not helped by deleting less than a start needs', () => {
    assert.equal(wouldHelp(space(64 * MIB, MIB), { bytes: 2 * MIB, files: 3 }), false);
    assert.equal(wouldHelp(space(64 * MIB, MIB), { bytes: 4 * MIB, files: 3 }), true);
    assert.equal(wouldHelp(space(64 * MIB, 9 * MIB, 1_000, 5), { bytes: 4 * MIB, files: 3 }), false);
    assert.equal(wouldHelp(space(64 * MIB, 9 * MIB, 1_000, 5), { bytes: 4 * MIB, files: 90 }), true);
  });
});

describe('the order in which data go', () => {
  it('is: what no one reads, the oldest blocks, the newest WAL segments, head chunks, and at last the whole WAL', () => {
    const order = removalOrder({
      temporary: ['t'],
      setAside: ['a1', 'a2'],
      blocks: [{ path: 'new', fromMs: 20, toMs: 30 }, { path: 'old', fromMs: 10, toMs: 20 }, { path: 'unreadable' }],
      walFolder: 'wal',
      wal: [
        { path: 'wal/0', toMs: 40 },
        { path: 'wal/1', toMs: 50 },
        { path: 'wal/2', toMs: 60 },
      ],
      headChunks: ['h1', 'h2'],
      wbl: ['wbl/0', 'wbl/1'],
    }).map(({ path }) => path);
    assert.deepEqual(order.join(' '), 't a1 a2 unreadable old new wal/2 wal/1 h1 h2 wbl/1 wbl/0 wal');
  });

  it('is empty where there are no data', () => {
    assert.deepEqual(removalOrder(NOTHING), []);
  });
});

describe('the report of a removal', () => {
  const before = space(64 * MIB, 0);
  it('names what was lost, with the times of its samples', () => {
    const order = removalOrder({
      ...NOTHING,
      blocks: [{ path: 'old', fromMs: 0, toMs: 7_200_000 }],
      wal: [
        { path: 'wal/0', toMs: 60_000 },
        { path: 'wal/1', toMs: 120_000 },
      ],
    });
    assert.equal(
      describeRemoved(order, '/data', before),
      'the volume of /data was full (64 of 64 MiB): deleted 1 oldest block (samples from 1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z), 1 newest file of the write-ahead log (samples from 1970-01-01T00:01:00Z to 1970-01-01T00:02:00Z) to make room; choose a larger plan, or scrape fewer samples',
    );
  });

  it('is empty when only temporary files were deleted', () => {
    assert.equal(describeRemoved([{ kind: 'temporary', path: 't' }], '/data', before), undefined);
  });
});
