import type { Page } from 'playwright-core';

/** What the dashboard shows beside a label. */
export function dashboardRow(page: Page, label: string): Promise<string | null> {
  return page
    .locator('dt', { hasText: new RegExp(`^${label}$`) })
    .locator('xpath=following-sibling::dd[1]')
    .textContent();
}
