import { isSecret, SECRET_SHOWN } from '../shared/log.ts';
import { escapeHtml } from './html.ts';

/** A page in which each secret is blanked out, as text and in the address of a link. */
export function maskPage(page: string, secrets: readonly string[]): string {
  return secrets
    .filter(isSecret)
    .flatMap((secret) => [escapeHtml(secret), encodeURIComponent(secret)])
    .reduce((rest, secret) => rest.replaceAll(secret, escapeHtml(SECRET_SHOWN)), page);
}
