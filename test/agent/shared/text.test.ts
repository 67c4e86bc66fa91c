import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shortLine } from '../../../agent/shared/text.ts';

describe('a short line', () => {
  for (const [what, text, wanted] of [
    ['is a short text as it is', 'all well', 'all well'],
    ['is one of many lines', ' a\n\tb\r\n', 'a b'],
    ['holds nothing that a terminal would obey', 'a\u001b[31mb\u0007\u0000c', 'a [31mb c'],
    ['is cut where the text is longer', 'abcdefghijk', 'abcdefghi…'],
    ['is not cut in the middle of a character', 'abcdefgh😀😀', 'abcdefgh…'],
    ['has no half a character', 'a\ud800b', 'a\ufffdb'],
  ] as const) {
    it(what, () => {
      assert.equal(shortLine(text, 10), wanted);
    });
  }
});
