// A button that copies a block of commands or configuration; without it where the browser lets no page write the clipboard.
if (navigator.clipboard)
  for (const block of document.querySelectorAll("div[class*=highlight-]:not(.highlight-none, .highlight-text) > div.highlight")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent.trimEnd());
      button.textContent = "Copied";
    });
    block.append(button);
  }
