// Pictures out of one sprite: the browser decodes one PNG, whose address is in --sprite, and each picture shows its part.

// The address of the PNG, to be given back to URL.revokeObjectURL when nothing shows it any more.
function setSprite(element, packed, columns) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  element.style.setProperty("--sprite", `url("${url}")`);
  element.style.setProperty("--sprite-columns", columns);
  return url;
}

// A picture's pixels, at its place in the sprite.
function pixelsAt(place, columns) {
  const pixels = document.createElement("span");
  pixels.className = "pixels";
  pixels.style.setProperty("--x", place % columns);
  pixels.style.setProperty("--y", Math.floor(place / columns));
  return pixels;
}
