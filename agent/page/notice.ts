import { NOTICE_STYLE } from './assets.ts';
import { html, raw, textOf, type Content, type Html } from './html.ts';
import { commandOf } from './words.ts';

const TITLES: Readonly<Record<number, string>> = {
  401: 'Log in to see this instance',
  404: 'There is no such page',
  429: 'Too many at once',
  502: 'Prometheus does not answer',
  504: 'Prometheus took too long',
};

/** What a reader can do, by status. Without a password nothing of the instance is told, not even its name. */
const HINTS: Readonly<Record<number, Content>> = {
  401: [
    html`<p>Whoever may see the instance on Tsuru finds the user and the password there:</p>`,
    html`<p>${commandOf('tsuru service-instance-info prometheus INSTANCE')}</p>`,
    html`<p>Reload this page to be asked again.</p>`,
  ],
  404: html`<p>Go on to the <a href="/">status of this instance</a>, which leads to the pages of Prometheus.</p>`,
  502: [
    html`<p>It starts, is restarted for a new setting, or has ended. Samples that were stored are kept.</p>`,
    html`<p>
      The <a href="/">status of this instance</a> says why, and does not need Prometheus. <a href="">Try again</a>
    </p>`,
  ],
  504: html`<p>The <a href="/">status of this instance</a> says whether it is busy. <a href="">Try again</a></p>`,
};

/** A page that says in place of another one what is wrong and what to do. It loads nothing. */
export function noticePage(status: number, text: string): string {
  const title = TITLES[status] ?? 'This did not work';
  return `<!doctype html>\n${textOf(
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${style()}
      </head>
      <body>
        <main>
          <p class="status">${status}</p>
          <h1>${title}</h1>
          <p>${text.trim()}</p>
          ${HINTS[status]}
        </main>
      </body>
    </html>`,
  )}\n`;
}

/** Byte for byte, as its hash is in the policy. */
function style(): Html {
  return raw(`<style>${NOTICE_STYLE}</style>`);
}
