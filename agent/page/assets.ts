import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A file that pages load, as it is sent. */
export interface Asset {
  readonly type: string;
  readonly body: string;
}

/** What the page loads, by path; all in static/. */
export const ASSETS: Readonly<Record<string, Asset>> = {
  '/tsuru/page.css': { type: 'text/css; charset=utf-8', body: read('page.css') },
  '/tsuru/page.js': { type: 'text/javascript; charset=utf-8', body: read('page.js') },
  '/tsuru/icon.svg': { type: 'image/svg+xml', body: read('icon.svg') },
};

/** The status page loads its own files and itself, and nothing else. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The style of a notice, which loads nothing: it is there for readers without a password, too. */
export const NOTICE_STYLE = read('notice.css');

/** No style but that one, by its hash. */
export const NOTICE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(NOTICE_STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

function read(name: string): string {
  return readFileSync(new URL(`static/${name}`, import.meta.url), 'utf8');
}
