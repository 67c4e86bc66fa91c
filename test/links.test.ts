// Follows every link between the project's documents: a file that is moved or a heading that is reworded breaks them unseen.
import assert from 'node:assert/strict';
import { glob, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = new URL('..', import.meta.url);
const NOT_OURS = /^(node_modules|dist|\.git)$/;

/** The text of a document without its code, in which neither headings nor links count; a heading's code is kept. */
function withoutFences(text: string): string {
  return text.replaceAll(/^ *(`{3,}|~{3,})[^]*?^ *\1 *$/gm, '');
}

/** The targets of all links, images and definitions of links. */
function linksOf(text: string): string[] {
  const plain = withoutFences(text).replaceAll(/(`+)(?!`)[^]*?[^`]\1(?!`)/g, '``');
  const inline = plain.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g);
  const definitions = plain.matchAll(/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/gm);
  return [...inline, ...definitions].flatMap(([, target = '']) => [target]);
}

/** The anchors of all headings, as GitHub makes them: the second of a name ends in -1. */
function anchorsOf(text: string): Set<string> {
  const counts = new Map<string, number>();
  const headings = withoutFences(text).matchAll(/^#{1,6} +(.+?) *#* *$/gm);
  const anchors = [...headings].map(([, heading = '']) => {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
  return new Set(anchors);
}

/** What is wrong with a link of this document, if anything is. */
async function problemOf(link: string, document: URL): Promise<string | undefined> {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return undefined;
  if (link.startsWith('/')) return 'is absolute';
  const target = new URL(link, document);
  const anchor = decodeURIComponent(target.hash.slice(1));
  target.hash = '';
  if (!target.href.startsWith(ROOT.href)) return 'leaves the project';
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) return 'leads to no file or folder';
  if (anchor === '') return undefined;
  if (!found.isFile() || !target.pathname.endsWith('.md')) return 'has an anchor in what is no document';
  return anchorsOf(await readFile(target, 'utf8')).has(anchor) ? undefined : 'leads to no heading';
}

async function documents(): Promise<URL[]> {
  const cwd = fileURLToPath(ROOT);
  const paths: string[] = [];
  for await (const path of glob('**/*.md', { cwd, exclude: (name) => NOT_OURS.test(name) })) paths.push(path);
  return paths.sort().map((path) => pathToFileURL(join(cwd, path)));
}

describe('a link between the documents', () => {
  it('leads to a file, a folder or a heading that exists', async () => {
    const found = await documents();
    assert.ok(found.length >= 7, `${found.length} documents`);
    const problems: string[] = [];
    let links = 0;
    for (const document of found) {
      for (const link of linksOf(await readFile(document, 'utf8'))) {
        links += 1;
        const problem = await problemOf(link, document);
        if (problem !== undefined)
          problems.push(`${relative(fileURLToPath(ROOT), fileURLToPath(document))}: ${link} ${problem}`);
      }
    }
    assert.deepEqual(problems, []);
    assert.ok(links > 30, `${links} links`);
  });

  it('is reported when it leads nowhere', async () => {
    const document = new URL('agent/README.md', ROOT);
    const links = ['nothing.md', '#nothing', '../README.md#nothing', '../..', '/README.md', 'main.ts#settings'];
    const problems = await Promise.all(links.map((link) => problemOf(link, document)));
    assert.deepEqual(problems, [
      'leads to no file or folder',
      'leads to no heading',
      'leads to no heading',
      'leaves the project',
      'is absolute',
      'has an anchor in what is no document',
    ]);
    assert.equal(await problemOf('#settings', document), undefined);
  });

  it('is not looked for in code, and a heading counts with its code', () => {
    assert.deepEqual(linksOf('`[a](b)` [c](d "e")\n```\n[f](g)\n```\n[h]: i'), ['d', 'i']);
    assert.deepEqual([...anchorsOf('# A `b_c`, d\n```\n# e\n```\n## A b_c d\n')], ['a-b_c-d', 'a-b_c-d-1']);
  });
});
