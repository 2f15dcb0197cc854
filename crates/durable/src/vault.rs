use base64::{Engine, engine::general_purpose::STANDARD};
use js_sys::{ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::js_sys::futures::JsFuture;

/// Of AES-GCM: a random value that no two texts of a key share.
const NONCE_BYTES: usize = 12;
/// What the key of the variable is mixed with, so that it is the same in no other place.
const PURPOSE: &str = "longhaul credentials 1\n";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = importKey)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        algorithm: &str,
        is_extractable: bool,
        uses: &js_sys::Array,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"])]
    fn encrypt(how: &JsValue, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"])]
    fn decrypt(how: &JsValue, key: &JsValue, data: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(array: &Uint8Array) -> Uint8Array;
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
    get_random_values(&Uint8Array::new_with_length(N as u32)).copy_to(&mut bytes);
    bytes
}

/// Encrypts by AES-GCM under a key of the deployment. `place` is where the text is kept: it opens in no other place.
///
/// # Errors
/// When the platform refuses, in its words.
pub(crate) async fn seal(key: &str, place: &str, json: &Value) -> Result<String, JsValue> {
    let nonce = random::<NONCE_BYTES>();
    let how = how(&nonce, place)?;
    let text = Uint8Array::from(json.to_string().as_bytes());
    let sealed = JsFuture::from(encrypt(&how, &imported(key).await?, &text)?).await?;
    let mut whole = nonce.to_vec();
    whole.extend(bytes(&sealed));
    Ok(STANDARD.encode(whole))
}

/// Opens what was sealed; `None` where it was sealed under another key, or for another place.
pub(crate) async fn open(key: &str, place: &str, sealed: &str) -> Option<Value> {
    let whole = STANDARD.decode(sealed).ok()?;
    let (nonce, text) = whole.split_at_checked(NONCE_BYTES)?;
    let how = how(nonce, place).ok()?;
    let key = imported(key).await.ok()?;
    let opened = JsFuture::from(decrypt(&how, &key, &Uint8Array::from(text)).ok()?).await.ok()?;
    serde_json::from_slice(&bytes(&opened)).ok()
}

async fn imported(key: &str) -> Result<JsValue, JsValue> {
    let mut digest = Sha256::new();
    digest.update(PURPOSE);
    digest.update(key);
    let uses = js_sys::Array::of2(&"encrypt".into(), &"decrypt".into());
    let key = Uint8Array::from(digest.finalize().as_slice());
    JsFuture::from(import_key("raw", &key, "AES-GCM", false, &uses)?).await
}

fn how(nonce: &[u8], place: &str) -> Result<JsValue, JsValue> {
    let how = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&how, &name.into(), &value);
    set("name", "AES-GCM".into())?;
    set("iv", Uint8Array::from(nonce).into())?;
    set("additionalData", Uint8Array::from(place.as_bytes()).into())?;
    Ok(how.into())
}

fn bytes(buffer: &JsValue) -> Vec<u8> {
    buffer.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec()).unwrap_or_default()
}
