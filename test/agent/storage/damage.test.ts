import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { damageIn, renumber, type Damage } from '../../../agent/storage/damage.ts';

const ONE = '01M8EG8WEDBTDCA11EX56Z4X3Y';
const TWO = '01M8EGAE2F17YNNQ65TXEM5FTX';
const REPAIR = 'Encountered WAL read error, attempting repair';

/** As Prometheus 2.42 and 3.14 wrote them: the error of a line, or its message and error. */
const LINES: readonly (readonly [string, string, readonly Partial<Damage>[]])[] = [
  [
    'Fatal error',
    `opening storage failed: reloadBlocks: corrupted block ${ONE}: invalid magic number 67617262`,
    [{ kind: 'block', ulid: ONE, reason: 'invalid magic number 67617262' }],
  ],
  [
    '',
    `opening storage failed: reloadBlocks: 2 errors: corrupted block ${ONE}: invalid magic number 67617262; corrupted block ${TWO}: checksum did not match`,
    [
      { kind: 'block', ulid: ONE, reason: 'invalid magic number 67617262' },
      { kind: 'block', ulid: TWO, reason: 'checksum did not match' },
    ],
  ],
  [
    'Fatal error',
    `opening storage failed: reloadBlocks: corrupted block ${ONE}: read TOC: read TOC: invalid checksum\ncorrupted block ${TWO}: mmap files: mmap, size 0: invalid argument`,
    [
      { kind: 'block', ulid: ONE, reason: 'read TOC: read TOC: invalid checksum' },
      { kind: 'block', ulid: TWO, reason: 'mmap files: mmap, size 0: invalid argument' },
    ],
  ],
  [
    'Fatal error',
    `opening storage failed: reloadBlocks: corrupted block ${ONE}: try lock file: open /data/${ONE}/index: no such file or directory`,
    [{ kind: 'block', ulid: ONE }],
  ],
  // One of the two lacks only memory.
  [
    'Fatal error',
    `opening storage failed: reloadBlocks: corrupted block ${ONE}: mmap, size 9: cannot allocate memory\ncorrupted block ${TWO}: invalid size`,
    [{ kind: 'block', ulid: TWO }],
  ],
  [
    'Failed to read meta.json for a block during reloadBlocks. Skipping',
    'unexpected end of JSON input',
    [{ kind: 'unreadable-block', folder: '/data/BLOCK' }],
  ],
  ['Failed to read meta.json for a block during reloadBlocks. Skipping', 'open meta.json: too many open files', []],
  ['', 'opening storage failed: get segment range: segments are not sequential', [{ kind: 'gap' }]],
  [
    'Fatal error',
    'opening storage failed: repair corrupted WAL: cannot handle error: open WAL segment: 2: open /data/wal/00000002: no such file or directory',
    [{ kind: 'gap' }],
  ],
  [
    'Fatal error',
    'opening storage failed: repair corrupted WAL: cannot handle error: open checkpoint: list segment in dir:/data/wal/checkpoint.00000001: segments are not sequential',
    [{ kind: 'checkpoint' }],
  ],
  [
    REPAIR,
    'backfill checkpoint: read records: corruption in segment /data/wal/checkpoint.00000001/00000000 at 6054: unexpected checksum 5889f4d2, expected 1f5c84dd',
    [{ kind: 'checkpoint' }],
  ],
  [
    REPAIR,
    'read records: corruption in segment /data/wal/00000002 at 42231: unexpected checksum df212d20, expected 7dd99039',
    [{ kind: 'repaired' }],
  ],
  [
    'Fatal error',
    'opening storage failed: repair corrupted WAL: rename /data/wal/00000000 /data/wal/00000000.repair: no such file or directory',
    [{ kind: 'part', name: 'wal' }],
  ],
  [
    '',
    'opening storage failed: migrate WAL: list sequence files: readdirent /data/wal: not a directory',
    [{ kind: 'part', name: 'wal' }],
  ],
  [
    'Fatal error',
    'opening storage failed: /data/chunks_head/000010: invalid magic number abababab',
    [{ kind: 'part', name: 'chunks_head' }],
  ],
  [
    '',
    'opening storage failed: found unsequential head chunk files /data/chunks_head/000011 (index: 11) and /data/chunks_head/000999 (index: 999)',
    [{ kind: 'part', name: 'chunks_head' }],
  ],
  ['Fatal error', 'opening storage failed: repair corrupted WBL: x', [{ kind: 'part', name: 'wbl' }]],
  // Not the data's fault.
  ['Fatal error', 'opening storage failed: lock DB directory: resource temporarily unavailable', []],
  ['Fatal error', 'opening storage failed: open /data/wal/00000003: permission denied', []],
  ['Fatal error', 'opening storage failed: create /data/wal/00000003: no space left on device', []],
  ['Fatal error', 'opening storage failed: open /data/chunks_head/000001: read-only file system', []],
  ['Fatal error', 'error loading config from "/wal/prometheus.yml": segments are not sequential', []],
  ['Fatal error', 'opening storage failed: something that no version said before', []],
];

describe("what Prometheus' log says about damaged data", () => {
  for (const [message, error, expected] of LINES)
    it(`is found in "${message}", "${error.slice(0, 90)}"`, () => {
      const fields = message === '' ? { err: error } : { err: error, dir: '/data/BLOCK' };
      const found = damageIn({ level: 'error', message, fields });
      assert.equal(found.length, expected.length, JSON.stringify(found));
      found.forEach((damage, index) => {
        assert.deepEqual({ ...damage, ...expected[index] }, damage);
      });
    });

  it('is nothing in a line without an error', () => {
    assert.deepEqual(damageIn({ level: 'info', message: 'WAL segment loaded', fields: { segment: 3 } }), []);
  });
});

describe('the segments of a log with a gap', () => {
  const TABLE: readonly (readonly [string, number[], number | undefined, ReturnType<typeof renumber>])[] = [
    ['stay when none is missing', [0, 1, 2], undefined, { moves: [], superseded: [], missing: 0 }],
    ['stay when the checkpoint has the first', [2, 3, 4], 2, { moves: [], superseded: [], missing: 0 }],
    [
      'move down behind the gap',
      [0, 2, 5],
      undefined,
      {
        moves: [
          [2, 1],
          [5, 2],
        ],
        superseded: [],
        missing: 3,
      },
    ],
    [
      'begin at 0 without a checkpoint',
      [4, 5],
      undefined,
      {
        moves: [
          [4, 0],
          [5, 1],
        ],
        superseded: [],
        missing: 4,
      },
    ],
    [
      'begin after the checkpoint',
      [7, 9],
      4,
      {
        moves: [
          [7, 5],
          [9, 6],
        ],
        superseded: [],
        missing: 3,
      },
    ],
    ['lose those that the checkpoint has', [1, 3, 6], 3, { moves: [[6, 4]], superseded: [1, 3], missing: 2 }],
    [
      'lose those that the checkpoint has when the gap is among them',
      [0, 2, 3, 4],
      2,
      { moves: [], superseded: [0, 2], missing: 0 },
    ],
    ['are none', [], undefined, { moves: [], superseded: [], missing: 0 }],
  ];
  for (const [title, segments, checkpoint, expected] of TABLE)
    it(title, () => {
      assert.deepEqual(renumber([...segments].reverse(), { checkpoint, first: 0 }), expected);
    });
});
